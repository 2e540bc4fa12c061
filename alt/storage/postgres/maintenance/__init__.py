"""Work that one Alt at a time does beside the requests, in short transactions: whoever takes it over goes on with it."""

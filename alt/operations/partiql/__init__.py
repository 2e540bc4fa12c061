"""PartiQL: what statements come to on tables. They read and write as the operations on items and Query do."""

"""Items and tables on their way in and out: files and their formats, batches, copies."""

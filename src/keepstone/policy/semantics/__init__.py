"""What types cannot say about a document: one file for each subject, `checks` lists them all."""

"""What is wrong with a document: one file per kind of rule, all findings at once, each with its place."""

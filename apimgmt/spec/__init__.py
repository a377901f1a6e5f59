"""Documents: what is written in them, and what that makes of a request.

    intake/       bytes become a document, in a bounded child process
    lint/         what is wrong with a document, all at once
    compiler/     documents of four versions become one model
    validation/   values against schemas
    request/      parameters and bodies, cast and validated
    comparison/   what changed between two revisions

The files beside these are the ground that they share: documents and places, references, schemas, paths, patterns.
"""

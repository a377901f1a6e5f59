"""A document of any version becomes operations and JSON Schema 2020-12: the rest of the product asks for no version."""

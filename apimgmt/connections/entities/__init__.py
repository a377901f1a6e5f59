"""Entities: the endpoints of a connection, or the tables of a database, under names of their own."""

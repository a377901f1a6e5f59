"""The runner: a process of its own that executes what goes on without its caller, step by step, on DBOS.

It takes the orders that the gateway wrote (:mod:`apimgmt.runs.orders`), keeps the outcome of every step in a database
(SQLite in the data folder, or the PostgreSQL of ``database_url``), and goes on after a crash where it stopped. It
imports neither gateway nor control plane; published is what the snapshot says.
"""

"""Values against schemas: compiled once over one registry per API, every violation said in a short sentence."""

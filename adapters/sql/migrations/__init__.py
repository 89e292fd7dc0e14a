"""The steps that bring a database to the present schema, in order; `adapters.sql.migrate` runs them."""

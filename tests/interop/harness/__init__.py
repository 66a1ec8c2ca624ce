"""The clients' programs and the protocol's scenarios, against PostgreSQL and against three nodes, compared."""

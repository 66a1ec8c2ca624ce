SELECT count(*), count(tailnum), count(dep_delay) FROM flights WHERE dep_time IS NULL;

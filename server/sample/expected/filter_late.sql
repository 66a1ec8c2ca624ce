SELECT count(*), max(dep_delay) FROM flights WHERE dep_delay > 120 AND origin = 'JFK';

SELECT count(*) FROM flights;

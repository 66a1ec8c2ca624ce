SELECT count(*), sum(distance), avg(distance), min(time_hour), max(time_hour), min(dest), max(dest) FROM flights;

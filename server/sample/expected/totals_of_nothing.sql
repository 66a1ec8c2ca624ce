SELECT count(*), count(dest), sum(distance), avg(distance), min(dest), max(time_hour) FROM flights WHERE carrier = 'ZZ';

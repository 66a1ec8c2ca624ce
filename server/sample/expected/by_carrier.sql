SELECT carrier, count(*), count(dep_delay), min(dep_delay), max(dep_delay), avg(dep_delay), sum(distance)
FROM flights
GROUP BY carrier
ORDER BY carrier;

SELECT dest, origin, count(*), min(dep_time), max(dep_time)
FROM flights
WHERE dest IN ('LAX', 'SFO', 'SEA') AND dep_time BETWEEN 500 AND 700 AND carrier NOT IN ('UA', 'B6')
GROUP BY dest, origin
ORDER BY dest, origin;

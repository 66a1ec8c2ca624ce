SELECT origin, sum(CASE WHEN arr_delay > 0 THEN 1 ELSE 0 END) AS late, count(*) AS flights
FROM flights
GROUP BY origin
ORDER BY late DESC, origin;

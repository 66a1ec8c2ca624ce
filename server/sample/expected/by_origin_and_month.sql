SELECT origin, month, count(*), sum(arr_delay), avg(air_time)
FROM flights
GROUP BY origin, month
ORDER BY origin DESC, month;

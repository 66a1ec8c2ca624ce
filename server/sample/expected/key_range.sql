SELECT time_hour, carrier, flight, origin, dest, dep_delay
FROM flights
WHERE time_hour >= '2013-01-15 11:00:00+00' AND time_hour < '2013-01-15 12:00:00+00'
ORDER BY time_hour, carrier, flight, origin;

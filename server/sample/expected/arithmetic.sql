SELECT tailnum, distance * 60 / air_time AS miles_per_hour, distance % 100, -dep_delay, (arr_delay - dep_delay) * 2, time_hour, flight
FROM flights
WHERE air_time > 0 AND distance * 60 / air_time >= 500
ORDER BY miles_per_hour DESC, time_hour, carrier, flight, origin
LIMIT 8;

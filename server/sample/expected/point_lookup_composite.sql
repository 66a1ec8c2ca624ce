SELECT dep_time, arr_time, tailnum, dest, distance
FROM flights
WHERE time_hour = '2013-01-01 10:00:00+00' AND carrier = 'UA' AND flight = 1545 AND origin = 'EWR';

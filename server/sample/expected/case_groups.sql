SELECT CASE WHEN dep_delay IS NULL THEN 'cancelled'
            WHEN dep_delay <= 0 THEN 'on time'
            WHEN dep_delay <= 60 THEN 'late'
            ELSE 'very late' END AS state,
       count(*)
FROM flights
GROUP BY 1
ORDER BY 1;

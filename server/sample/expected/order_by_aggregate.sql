SELECT manufacturer, count(*) AS planes, avg(seats), max(year)
FROM planes
GROUP BY manufacturer
ORDER BY planes DESC, manufacturer
LIMIT 10;

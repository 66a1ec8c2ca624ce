SELECT origin, count(*), count(wind_gust), min(temp), max(temp), max(wind_gust), min(pressure), max(precip)
FROM weather
GROUP BY origin
ORDER BY origin;

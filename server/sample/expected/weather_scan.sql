SELECT time_hour, temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib
FROM weather
WHERE origin = 'LGA' AND time_hour BETWEEN '2013-02-08 18:00:00+00' AND '2013-02-09 06:00:00+00'
ORDER BY time_hour DESC;

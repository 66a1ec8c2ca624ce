SELECT faa, name, lat, lon, alt, tzone
FROM airports
WHERE name LIKE '%Intl' AND name NOT LIKE 'M%' AND faa LIKE '_A_'
ORDER BY faa;

SELECT count(*) FROM flights WHERE NOT (carrier = 'UA' OR carrier = 'AA') AND (distance >= 2000 OR air_time < 40);

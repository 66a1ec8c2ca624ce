SELECT carrier, count(*) FROM flights WHERE carrier = 'ZZ' GROUP BY carrier ORDER BY carrier;

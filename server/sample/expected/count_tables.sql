SELECT count(*), count(speed), count(year), min(tailnum), max(tailnum) FROM planes;

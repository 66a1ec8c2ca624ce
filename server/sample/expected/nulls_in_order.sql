SELECT faa, tzone, alt FROM airports WHERE tzone IS NULL OR alt > 7000 ORDER BY tzone, faa;

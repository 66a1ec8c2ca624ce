-- The tables of nycflights13. Missing values are NA in the CSV files:
-- COPY … FROM STDIN WITH (FORMAT csv, HEADER true, NULL 'NA').

CREATE TABLE airlines (
    carrier TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (carrier)
);

CREATE TABLE airports (
    faa TEXT NOT NULL,
    name TEXT NOT NULL,
    lat FLOAT8 NOT NULL,
    lon FLOAT8 NOT NULL,
    alt INT4 NOT NULL,
    tz INT4 NOT NULL,
    dst TEXT NOT NULL,
    tzone TEXT,
    PRIMARY KEY (faa)
);

CREATE TABLE planes (
    tailnum TEXT NOT NULL,
    year INT4,
    type TEXT NOT NULL,
    manufacturer TEXT NOT NULL,
    model TEXT NOT NULL,
    engines INT4 NOT NULL,
    seats INT4 NOT NULL,
    speed INT4,
    engine TEXT NOT NULL,
    PRIMARY KEY (tailnum)
);

CREATE TABLE weather (
    origin TEXT NOT NULL,
    year INT4 NOT NULL,
    month INT4 NOT NULL,
    day INT4 NOT NULL,
    hour INT4 NOT NULL,
    temp FLOAT8,
    dewp FLOAT8,
    humid FLOAT8,
    wind_dir INT4,
    wind_speed FLOAT8,
    wind_gust FLOAT8,
    precip FLOAT8 NOT NULL,
    pressure FLOAT8,
    visib FLOAT8 NOT NULL,
    time_hour TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (origin, time_hour)
);

CREATE TABLE flights (
    year INT4 NOT NULL,
    month INT4 NOT NULL,
    day INT4 NOT NULL,
    dep_time INT4,
    sched_dep_time INT4 NOT NULL,
    dep_delay INT4,
    arr_time INT4,
    sched_arr_time INT4 NOT NULL,
    arr_delay INT4,
    carrier TEXT NOT NULL,
    flight INT4 NOT NULL,
    tailnum TEXT,
    origin TEXT NOT NULL,
    dest TEXT NOT NULL,
    air_time INT4,
    distance INT4 NOT NULL,
    hour INT4 NOT NULL,
    minute INT4 NOT NULL,
    time_hour TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (time_hour, carrier, flight, origin)
);

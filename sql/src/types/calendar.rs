//! Civil days: the Gregorian calendar carried on in both directions, with the year 0 before the year 1 (which is 1 BC).
//!
//! A day is a count since 1970-01-01. The arithmetic counts eras of 400 years (146,097 days) with years that begin in
//! March, so that the leap day is a year's last (Howard Hinnant, "chrono-compatible low-level date algorithms").
//!
//! Invariant: all of it is exact for every year that fits 32 bits.

/// Days of 400 years.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_FROM_MARCH: i64 = 719_468;
/// Julian day of 1970-01-01.
pub const EPOCH_JULIAN_DAY: i64 = 2_440_588;

/// A day by year, month and day of the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CivilDate {
    /// Astronomical: 0 is 1 BC, -1 is 2 BC.
    pub year: i64,
    /// From 1.
    pub month: i64,
    /// From 1.
    pub day: i64,
}

/// The day of a date. The month is one; the day may lie beyond its month's end.
pub fn days_of(date: CivilDate) -> i64 {
    let year = if date.month <= 2 { date.year - 1 } else { date.year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (date.month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + date.day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * ERA_DAYS + day_of_era - EPOCH_FROM_MARCH
}

/// The date of a day.
pub fn date_of(days: i64) -> CivilDate {
    let shifted = days + EPOCH_FROM_MARCH;
    let era = shifted.div_euclid(ERA_DAYS);
    let day_of_era = shifted.rem_euclid(ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    CivilDate { year, month, day }
}

/// Days of a month, which is one.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The Monday on or before a day; 1970-01-01 was a Thursday.
pub fn monday_of(days: i64) -> i64 {
    days - (days + 3).rem_euclid(7)
}

/// Year and week of ISO 8601: weeks begin on Monday, and the first of a year has its 4 January.
pub fn iso_week(days: i64) -> (i64, i64) {
    let monday = monday_of(days);
    // The week belongs to the year of its Thursday.
    let year = date_of(monday + 3).year;
    let first = monday_of(days_of(CivilDate { year, month: 1, day: 4 }));
    (year, (monday - first) / 7 + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_that_are_known() {
        for (year, month, day, days) in [
            (1970, 1, 1, 0),
            (2000, 1, 1, 10_957),
            (1, 1, 1, -719_162),
            (9999, 12, 31, 2_932_896),
            // Julian day 0, the first that PostgreSQL has, and its last.
            (-4713, 11, 24, -EPOCH_JULIAN_DAY),
            (5_874_897, 12, 31, 2_145_042_905),
        ] {
            let date = CivilDate { year, month, day };
            assert_eq!(days_of(date), days, "{date:?}");
            assert_eq!(date_of(days), date, "{days}");
        }
    }

    #[test]
    fn weeks_that_are_known() {
        for (year, month, day, iso) in [
            (2021, 1, 1, (2020, 53)),
            (2020, 1, 1, (2020, 1)),
            (2018, 12, 31, (2019, 1)),
            (0, 12, 31, (0, 52)),
            (-43, 3, 15, (-43, 11)),
        ] {
            assert_eq!(iso_week(days_of(CivilDate { year, month, day })), iso, "{year}-{month}-{day}");
        }
    }

    proptest! {
        #[test]
        fn days_follow_each_other(days in i64::from(i32::MIN)..i64::from(i32::MAX)) {
            let (date, next) = (date_of(days), date_of(days + 1));
            prop_assert_eq!(days_of(date), days);
            let last = date.day == days_in_month(date.year, date.month);
            let expected = match (last, date.month) {
                (false, _) => CivilDate { day: date.day + 1, ..date },
                (true, 12) => CivilDate { year: date.year + 1, month: 1, day: 1 },
                (true, _) => CivilDate { month: date.month + 1, day: 1, ..date },
            };
            prop_assert_eq!(next, expected);
        }
    }
}

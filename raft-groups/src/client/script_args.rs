//! Arguments of this crate's scripts.

use std::error::Error;
use std::str::FromStr;

/// The value of `key=value`, if it is there.
pub(crate) fn parse<T>(
    args: &mut goldenscript::ArgumentConsumer<'_>,
    key: &str,
) -> Result<Option<T>, Box<dyn Error>>
where
    T: FromStr,
    T::Err: Error + 'static,
{
    Ok(args.take_key(key).map(str::parse).transpose()?)
}

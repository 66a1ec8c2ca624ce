//! `\d` and its like: what the server's catalogs say, by queries over one relation each.

use std::collections::BTreeMap;

use super::client::StatementFailure;
use super::meta::Listed;
use super::render::TextRow;
use super::session::Shell;

/// Most columns and indexes of a relation that are asked for.
const ROWS_MAX: usize = 10_000;

/// Prints a list.
///
/// # Errors
/// Those of the query.
pub async fn list(shell: &mut Shell, listed: Listed, pattern: Option<&str>) -> Result<(), StatementFailure> {
    let (title, sql) = query(listed, pattern);
    shell.output.set_title(title);
    shell.statement(&sql, None).await
}

/// The title and the query of a list.
fn query(listed: Listed, pattern: Option<&str>) -> (&'static str, String) {
    let matches = |column: &str| match pattern {
        Some(pattern) => format!(" AND {column} ~ {}", literal(&regular_expression(pattern))),
        None => String::new(),
    };
    let owner = |column: &str| format!("pg_catalog.pg_get_userbyid({column}) AS \"Owner\"");
    match listed {
        Listed::Relations => relations("'r','p','v','m','S','f'", &matches("relname"), pattern),
        Listed::Tables => relations("'r','p'", &matches("relname"), pattern),
        Listed::Views => relations("'v','m'", &matches("relname"), pattern),
        Listed::Indexes => relations("'i','I'", &matches("relname"), pattern),
        Listed::Sequences => relations("'S'", &matches("relname"), pattern),
        Listed::Databases => (
            "List of databases",
            format!(
                "SELECT datname AS \"Name\", {}, pg_catalog.pg_encoding_to_char(encoding) AS \"Encoding\", \
                 datcollate AS \"Collate\", datctype AS \"Ctype\" FROM pg_catalog.pg_database WHERE true{} \
                 ORDER BY 1;",
                owner("datdba"),
                matches("datname")
            ),
        ),
        Listed::Schemas => (
            "List of schemas",
            format!(
                "SELECT nspname AS \"Name\", {} FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND \
                 nspname <> 'information_schema'{} ORDER BY 1;",
                owner("nspowner"),
                matches("nspname")
            ),
        ),
        Listed::Roles => (
            "List of roles",
            format!(
                "SELECT rolname AS \"Role name\", rolsuper AS \"Superuser\", rolcanlogin AS \"Login\" FROM \
                 pg_catalog.pg_roles WHERE rolname !~ '^pg_'{} ORDER BY 1;",
                matches("rolname")
            ),
        ),
    }
}

/// A list of relations of these kinds; those of the system only where a pattern asks for them.
fn relations(kinds: &str, matches: &str, pattern: Option<&str>) -> (&'static str, String) {
    let schema = "relnamespace::pg_catalog.regnamespace::pg_catalog.text";
    let of_users = match pattern {
        Some(pattern) if pattern.starts_with("pg_") => String::new(),
        Some(_) | None => format!(" AND {schema} NOT IN ('pg_catalog','information_schema','pg_toast')"),
    };
    let sql = format!(
        "SELECT {schema} AS \"Schema\", relname AS \"Name\", CASE relkind WHEN 'r' THEN 'table' WHEN 'v' THEN \
         'view' WHEN 'm' THEN 'materialized view' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence' WHEN 'f' THEN \
         'foreign table' WHEN 'p' THEN 'partitioned table' WHEN 'I' THEN 'partitioned index' END AS \"Type\", \
         pg_catalog.pg_get_userbyid(relowner) AS \"Owner\" FROM pg_catalog.pg_class WHERE relkind IN \
         ({kinds}){of_users} AND pg_catalog.pg_table_is_visible(oid){matches} ORDER BY 1, 2;"
    );
    ("List of relations", sql)
}

/// Prints the columns and indexes of a relation.
///
/// # Errors
/// There is none of this name, or a query fails.
pub async fn describe(shell: &mut Shell, name: &str) -> Result<(), StatementFailure> {
    let sql = format!(
        "SELECT oid, relname, relkind, relnamespace::pg_catalog.regnamespace FROM pg_catalog.pg_class WHERE oid = \
         pg_catalog.to_regclass({})",
        literal(name)
    );
    let found = rows(shell, &sql).await?;
    let Some([Some(oid), Some(relation), Some(kind), Some(schema)]) = found.first().map(Vec::as_slice) else {
        return Err(StatementFailure::Shell(format!("error: there is no relation named {name}")));
    };
    let kind = match kind.as_str() {
        "v" => "View",
        "i" | "I" => "Index",
        "S" => "Sequence",
        _ => "Table",
    };
    let title = format!("{kind} \"{schema}.{relation}\"");
    let columns = columns(shell, oid).await?;
    let indexes = indexes(shell, oid).await?;
    let head = ["Column", "Type", "Nullable", "Default"];
    shell.output.titled_table(&title, &head, columns, &indexes).map_err(StatementFailure::Output)
}

/// Name, type, whether it may be NULL, and default of each column.
async fn columns(shell: &mut Shell, oid: &str) -> Result<Vec<TextRow>, StatementFailure> {
    let sql = format!(
        "SELECT adnum, pg_catalog.pg_get_expr(adbin, adrelid) FROM pg_catalog.pg_attrdef WHERE adrelid = {oid}"
    );
    let mut defaults = BTreeMap::new();
    for row in rows(shell, &sql).await? {
        if let [Some(number), default] = row.as_slice() {
            defaults.insert(number.clone(), default.clone());
        }
    }
    let sql = format!(
        "SELECT attname, pg_catalog.format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'not null' ELSE '' \
         END, attidentity, attnum FROM pg_catalog.pg_attribute WHERE attrelid = {oid} AND attnum > 0 AND NOT \
         attisdropped ORDER BY attnum"
    );
    let with_default = |row: TextRow| {
        let [name, data_type, nullable, identity, number] = <[_; 5]>::try_from(row).ok()?;
        let default = match identity.as_deref() {
            Some("a") => Some("generated always as identity".to_owned()),
            Some("d") => Some("generated by default as identity".to_owned()),
            Some(_) | None => number.and_then(|number| defaults.remove(&number)).flatten(),
        };
        Some(vec![name, data_type, nullable, Some(default.unwrap_or_default())])
    };
    Ok(rows(shell, &sql).await?.into_iter().filter_map(with_default).collect())
}

/// A line for each index, with a head.
async fn indexes(shell: &mut Shell, oid: &str) -> Result<Vec<String>, StatementFailure> {
    let sql = format!(
        "SELECT indexrelid::pg_catalog.regclass, indisprimary, indisunique, \
         pg_catalog.pg_get_indexdef(indexrelid) FROM pg_catalog.pg_index WHERE indrelid = {oid} ORDER BY \
         indisprimary DESC, 1"
    );
    let line = |row: TextRow| {
        let [name, is_primary, is_unique, definition] = <[_; 4]>::try_from(row).ok()?;
        let kind = match (is_primary.as_deref(), is_unique.as_deref()) {
            (Some("t"), _) => "PRIMARY KEY, ",
            (_, Some("t")) => "UNIQUE, ",
            _ => "",
        };
        let definition = definition?;
        let method = definition.split_once(" USING ").map_or("", |(_, method)| method);
        Some(format!("    \"{}\" {kind}{method}", name?.trim_matches('"')))
    };
    let mut lines: Vec<String> = rows(shell, &sql).await?.into_iter().filter_map(line).collect();
    if !lines.is_empty() {
        lines.insert(0, "Indexes:".to_owned());
    }
    Ok(lines)
}

async fn rows(shell: &mut Shell, sql: &str) -> Result<Vec<TextRow>, StatementFailure> {
    shell.client.rows(sql, ROWS_MAX).await
}

/// A text as a constant.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `*` is any characters, `?` is one.
fn regular_expression(pattern: &str) -> String {
    let mut expression = "^(".to_owned();
    for c in pattern.chars() {
        match c {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            c if c.is_alphanumeric() || c == '_' || c == ' ' => expression.extend(c.to_lowercase()),
            c => expression.extend(['\\', c]),
        }
    }
    expression.push_str(")$");
    expression
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_regular_expressions() {
        assert_eq!(regular_expression("T*_a?"), "^(t.*_a.)$");
        assert_eq!(regular_expression("a.b"), "^(a\\.b)$");
    }
}

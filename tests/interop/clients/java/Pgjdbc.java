// pgjdbc: statements of the extended protocol, named after five uses, batches, fetch sizes, autosave, metadata.

import java.io.StringReader;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;

public final class Pgjdbc {
    private static String feature;

    /** What a step does; its outcome is printed. */
    interface Action {
        Object run() throws Exception;
    }

    /** A feature on a connection of its own. */
    interface Feature {
        void run(Connection connection) throws Exception;
    }

    private static void step(String name, Action action) {
        String outcome;
        try {
            outcome = String.valueOf(action.run());
        } catch (PSQLException error) {
            outcome = textOf(error);
        } catch (Exception error) {
            outcome = "client error " + error.getClass().getSimpleName() + ": " + error.getMessage();
        }
        System.out.println(feature + " / " + name + ": " + outcome.replace("\n", "\\n"));
    }

    private static String textOf(PSQLException error) {
        if (error.getServerErrorMessage() == null) {
            return "client error " + error.getSQLState() + ": " + error.getMessage();
        }
        return "error " + error.getSQLState() + ": " + error.getServerErrorMessage().getMessage();
    }

    private static void run(String name, Feature body) {
        feature = name;
        try (Connection connection = connect("")) {
            body.run(connection);
        } catch (Exception error) {
            step("given up", () -> {
                throw error;
            });
        }
    }

    private static Connection connect(String options) throws SQLException {
        String server = System.getenv("PGHOST") + ":" + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE");
        return DriverManager.getConnection("jdbc:postgresql://" + server + "?user=" + System.getenv("PGUSER") + options);
    }

    /** Rows as lists of texts. */
    private static List<List<String>> rows(ResultSet set) throws SQLException {
        List<List<String>> rows = new ArrayList<>();
        while (set.next()) {
            List<String> row = new ArrayList<>();
            for (int i = 1; i <= set.getMetaData().getColumnCount(); i++) {
                row.add(String.valueOf(set.getObject(i)));
            }
            rows.add(row);
        }
        return rows;
    }

    /** Runs a statement: rows where there are any, else the count. */
    private static Object run(Connection connection, String text, Object... values) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(text)) {
            for (int i = 0; i < values.length; i++) {
                statement.setObject(i + 1, values[i]);
            }
            return statement.execute() ? rows(statement.getResultSet()) : statement.getUpdateCount();
        }
    }

    private static void table(Connection connection, String name, String columns) throws SQLException {
        run(connection, "DROP TABLE IF EXISTS " + name);
        run(connection, "CREATE TABLE " + name + " (" + columns + ")");
    }

    private static void connecting(Connection connection) throws SQLException {
        step("product", () -> connection.getMetaData().getDatabaseProductName() + " " + connection.getMetaData().getDatabaseMajorVersion());
        step("is valid", () -> connection.isValid(5));
        step("isolation", connection::getTransactionIsolation);
        step("set isolation", () -> {
            connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
            return connection.getTransactionIsolation();
        });
        step("read only", () -> {
            connection.setReadOnly(true);
            Object shown = run(connection, "SHOW default_transaction_read_only");
            connection.setReadOnly(false);
            return shown;
        });
        step("schema", connection::getSchema);
        step("simple protocol", () -> {
            try (Connection other = connect("&preferQueryMode=simple&ApplicationName=interop")) {
                return run(other, "SELECT ?::int + 1", 1);
            }
        });
    }

    private static void tables(Connection connection) throws SQLException {
        table(connection, "jd_items", "id int PRIMARY KEY, name text NOT NULL, price numeric(10,2) DEFAULT 1.5");
        step("insert", () -> run(connection, "INSERT INTO jd_items VALUES (?, ?, ?)", 1, "one", new java.math.BigDecimal("9.99")));
        step("upsert", () -> run(connection, "INSERT INTO jd_items VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name", "uno"));
        step("select", () -> run(connection, "SELECT * FROM jd_items WHERE id = ?", 1));
        step("update", () -> run(connection, "UPDATE jd_items SET price = price * 2 WHERE id = ?", 1));
        step("limit", () -> run(connection, "SELECT id FROM jd_items ORDER BY id LIMIT ? OFFSET ?", 1, 0));
        step("several statements", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("SELECT 1; SELECT 2");
                List<List<String>> first = rows(statement.getResultSet());
                statement.getMoreResults();
                return first + " " + rows(statement.getResultSet());
            }
        });
        step("max rows", () -> {
            try (Statement statement = connection.createStatement()) {
                statement.setMaxRows(1);
                return rows(statement.executeQuery("SELECT id FROM jd_items"));
            }
        });
        step("delete", () -> run(connection, "DELETE FROM jd_items WHERE name LIKE ?", "u%"));
    }

    private static void batches(Connection connection) throws SQLException {
        table(connection, "jd_batch", "id int PRIMARY KEY, v text");
        connection.setAutoCommit(false);
        step("batch", () -> batch(connection, 0, 300));
        connection.commit();
        step("batch with a duplicate", () -> {
            try {
                return batch(connection, 299, 310);
            } catch (BatchUpdateException error) {
                return error.getSQLState() + " " + Arrays.toString(error.getUpdateCounts());
            } finally {
                connection.rollback();
            }
        });
        step("rewritten batch", () -> {
            try (Connection other = connect("&reWriteBatchedInserts=true")) {
                return batch(other, 1000, 1100);
            }
        });
        step("rows", () -> run(connection, "SELECT count(*), sum(id) FROM jd_batch"));
    }

    private static int batch(Connection connection, int from, int to) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("INSERT INTO jd_batch VALUES (?, ?)")) {
            for (int i = from; i < to; i++) {
                statement.setInt(1, i);
                statement.setString(2, i % 2 == 0 ? null : "v" + i);
                statement.addBatch();
            }
            return statement.executeBatch().length;
        }
    }

    private static void errors(Connection connection) throws SQLException {
        table(connection, "jd_errors", "id int PRIMARY KEY, n int NOT NULL");
        run(connection, "INSERT INTO jd_errors VALUES (1, 1)");
        step("duplicate key", () -> run(connection, "INSERT INTO jd_errors VALUES (?, 2)", 1));
        step("null in NOT NULL", () -> run(connection, "INSERT INTO jd_errors VALUES (2, ?)", (Object) null));
        step("syntax", () -> run(connection, "SELEC 1"));
        step("unknown table", () -> run(connection, "SELECT * FROM jd_nothing"));
        step("division by zero", () -> run(connection, "SELECT 1 / ?::int", 0));
        step("text where a number is wanted", () -> run(connection, "SELECT * FROM jd_errors WHERE id = ?", "x"));
        connection.setAutoCommit(false);
        step("a write before", () -> run(connection, "INSERT INTO jd_errors VALUES (3, 3)"));
        step("error inside a transaction", () -> run(connection, "SELEC 1"));
        step("transaction is aborted", () -> run(connection, "SELECT 1"));
        connection.rollback();
        step("nothing of it stayed", () -> run(connection, "SELECT * FROM jd_errors"));
        connection.rollback();
    }

    private static void savepoints(Connection connection) throws SQLException {
        table(connection, "jd_save", "id int PRIMARY KEY");
        connection.setAutoCommit(false);
        step("nested", () -> {
            run(connection, "INSERT INTO jd_save VALUES (1)");
            Savepoint outer = connection.setSavepoint("outer");
            run(connection, "INSERT INTO jd_save VALUES (2)");
            Savepoint inner = connection.setSavepoint();
            try {
                run(connection, "INSERT INTO jd_save VALUES (1)");
            } catch (SQLException error) {
                connection.rollback(inner);
            }
            Object both = run(connection, "SELECT * FROM jd_save ORDER BY id");
            connection.rollback(outer);
            connection.releaseSavepoint(outer);
            return both + " " + run(connection, "SELECT * FROM jd_save ORDER BY id");
        });
        connection.rollback();
        step("autosave", () -> {
            try (Connection other = connect("&autosave=always")) {
                other.setAutoCommit(false);
                run(other, "INSERT INTO jd_save VALUES (7)");
                try {
                    run(other, "INSERT INTO jd_save VALUES (7)");
                } catch (SQLException error) {
                    run(other, "INSERT INTO jd_save VALUES (8)");
                }
                Object seen = run(other, "SELECT * FROM jd_save ORDER BY id");
                other.rollback();
                return seen;
            }
        });
    }

    private static void returning(Connection connection) throws SQLException {
        table(connection, "jd_ret", "id int PRIMARY KEY, v text");
        step("insert", () -> run(connection, "INSERT INTO jd_ret VALUES (?, 'a') RETURNING *", 1));
        step("generated keys", () -> {
            String text = "INSERT INTO jd_ret VALUES (2, 'b'), (3, 'c')";
            try (PreparedStatement statement = connection.prepareStatement(text, Statement.RETURN_GENERATED_KEYS)) {
                statement.executeUpdate();
                return rows(statement.getGeneratedKeys());
            }
        });
        step("generated keys of a batch", () -> {
            String text = "INSERT INTO jd_ret VALUES (?, 'x')";
            try (PreparedStatement statement = connection.prepareStatement(text, new String[] {"id"})) {
                for (int i = 10; i < 13; i++) {
                    statement.setInt(1, i);
                    statement.addBatch();
                }
                statement.executeBatch();
                return rows(statement.getGeneratedKeys());
            }
        });
        step("update", () -> run(connection, "UPDATE jd_ret SET v = upper(v) WHERE id < ? RETURNING id, v", 3));
        step("delete", () -> run(connection, "DELETE FROM jd_ret WHERE id = ? RETURNING v", 1));
    }

    private static void arrays(Connection connection) throws SQLException {
        table(connection, "jd_arr", "id int PRIMARY KEY");
        run(connection, "INSERT INTO jd_arr VALUES (1), (2), (3), (4)");
        step("= ANY", () -> run(connection, "SELECT id FROM jd_arr WHERE id = ANY (?) ORDER BY id", connection.createArrayOf("int4", new Integer[] {2, 4})));
        step("both ways", () -> {
            Array sent = connection.createArrayOf("text", new String[] {"a", null, "b,c"});
            try (PreparedStatement statement = connection.prepareStatement("SELECT ?::text[]")) {
                statement.setArray(1, sent);
                ResultSet set = statement.executeQuery();
                set.next();
                return Arrays.toString((Object[]) set.getArray(1).getArray());
            }
        });
    }

    private static void keys(Connection connection) throws SQLException {
        run(connection, "DROP TABLE IF EXISTS jd_serial");
        step("create", () -> run(connection, "CREATE TABLE jd_serial (id bigserial PRIMARY KEY, v text)"));
        step("generated key", () -> {
            String text = "INSERT INTO jd_serial (v) VALUES (?)";
            try (PreparedStatement statement = connection.prepareStatement(text, Statement.RETURN_GENERATED_KEYS)) {
                statement.setString(1, "a");
                statement.executeUpdate();
                ResultSet set = statement.getGeneratedKeys();
                set.next();
                return set.getLong("id") > 0;
            }
        });
    }

    private static void cursors(Connection connection) throws SQLException {
        table(connection, "jd_cur", "id int PRIMARY KEY");
        connection.setAutoCommit(false);
        try (PreparedStatement statement = connection.prepareStatement("INSERT INTO jd_cur VALUES (?)")) {
            for (int i = 0; i < 250; i++) {
                statement.setInt(1, i);
                statement.addBatch();
            }
            statement.executeBatch();
        }
        connection.commit();
        step("fetch size", () -> {
            try (PreparedStatement statement = connection.prepareStatement("SELECT id FROM jd_cur WHERE id >= ? ORDER BY id")) {
                statement.setInt(1, 10);
                statement.setFetchSize(60);
                long sum = 0;
                ResultSet set = statement.executeQuery();
                while (set.next()) {
                    sum += set.getInt(1);
                }
                return sum;
            }
        });
        connection.rollback();
    }

    private static void types(Connection connection) throws Exception {
        for (String line : Files.readAllLines(Path.of(System.getenv("INTEROP_CLIENTS"), "samples.txt"))) {
            if (line.isEmpty() || line.startsWith("#")) {
                continue;
            }
            String[] parts = line.split(" \\| ", 2);
            String literal = "'" + parts[1].replace("'", "''").replace("?", "??") + "'::" + parts[0];
            step(parts[0] + " " + parts[1], () -> bothWays(connection, parts[0], literal));
        }
    }

    /** Reads a value seven times, so that the last ones come in binary, and sends it back. */
    private static Object bothWays(Connection connection, String type, String literal) throws SQLException {
        Object value = null;
        try (PreparedStatement statement = connection.prepareStatement("SELECT " + literal)) {
            for (int i = 0; i < 7; i++) {
                ResultSet set = statement.executeQuery();
                set.next();
                value = set.getObject(1);
            }
        }
        String text = "SELECT (?::" + type + ")::text = (" + literal + ")::text";
        try (PreparedStatement statement = connection.prepareStatement(text)) {
            boolean isText = type.startsWith("json") || type.startsWith("text") || type.startsWith("varchar") || type.startsWith("char");
            if (isText && !type.endsWith("]")) {
                statement.setString(1, String.valueOf(value));
            } else {
                statement.setObject(1, value);
            }
            ResultSet set = statement.executeQuery();
            set.next();
            String shown = value instanceof byte[] ? Arrays.toString((byte[]) value) : String.valueOf(value);
            return value.getClass().getSimpleName() + " " + shown + " " + set.getBoolean(1);
        }
    }

    private static void prepared(Connection connection) throws SQLException {
        table(connection, "jd_prep", "id int PRIMARY KEY, v text");
        step("ten times", () -> {
            try (PreparedStatement statement = connection.prepareStatement("INSERT INTO jd_prep VALUES (?, ?)")) {
                for (int i = 0; i < 10; i++) {
                    statement.setInt(1, i);
                    statement.setString(2, "v");
                    statement.executeUpdate();
                }
                return run(connection, "SELECT count(*) FROM jd_prep");
            }
        });
        step("the table became another", () -> {
            try (PreparedStatement statement = connection.prepareStatement("SELECT * FROM jd_prep WHERE id = 1")) {
                for (int i = 0; i < 7; i++) {
                    statement.executeQuery().close();
                }
                table(connection, "jd_prep", "id int PRIMARY KEY, w int");
                return rows(statement.executeQuery());
            }
        });
        step("parameter types", () -> {
            try (PreparedStatement statement = connection.prepareStatement("INSERT INTO jd_prep VALUES (?, ?)")) {
                return statement.getParameterMetaData().getParameterTypeName(1) + " " + statement.getParameterMetaData().getParameterTypeName(2);
            }
        });
    }

    private static void copying(Connection connection) throws SQLException {
        table(connection, "jd_copy", "id int PRIMARY KEY, v text");
        CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
        step("in", () -> copy.copyIn("COPY jd_copy FROM STDIN", new StringReader("1\ta\n2\t\\N\n")));
        step("out", () -> {
            StringWriter out = new StringWriter();
            return copy.copyOut("COPY jd_copy TO STDOUT WITH (FORMAT csv)", out) + " " + out;
        });
        step("bad line", () -> copy.copyIn("COPY jd_copy FROM STDIN", new StringReader("x\ta\n")));
    }

    private static void columns(Connection connection) throws SQLException {
        table(connection, "jd_cols", "id int PRIMARY KEY, b boolean, s smallint, l bigint, r real, d float8, n numeric(20,5), t text, v varchar(10), c char(4), day date, at timestamp, atz timestamptz");
        step("types", () -> {
            ResultSetMetaData data = connection.prepareStatement("SELECT * FROM jd_cols").getMetaData();
            List<String> all = new ArrayList<>();
            for (int i = 1; i <= data.getColumnCount(); i++) {
                all.add(data.getColumnLabel(i) + " " + data.getColumnTypeName(i) + " " + data.getColumnType(i) + " " + data.getPrecision(i) + " " + data.getScale(i) + " " + data.getColumnDisplaySize(i));
            }
            return all;
        });
        step("nullable and origin", () -> {
            ResultSetMetaData data = connection.prepareStatement("SELECT id, t FROM jd_cols").getMetaData();
            return data.isNullable(1) + " " + data.isNullable(2) + " " + data.getTableName(1) + " " + data.isAutoIncrement(1);
        });
        step("no type", () -> {
            try (PreparedStatement statement = connection.prepareStatement("INSERT INTO jd_cols (id, day) VALUES (1, ?)")) {
                statement.setNull(1, Types.NULL);
                return statement.executeUpdate();
            }
        });
    }

    private static void ddl(Connection connection) throws SQLException {
        run(connection, "DROP TABLE IF EXISTS jd_ddl");
        connection.setAutoCommit(false);
        step("create", () -> run(connection, "CREATE TABLE jd_ddl (id int PRIMARY KEY)"));
        step("used by it", () -> run(connection, "INSERT INTO jd_ddl VALUES (1)"));
        connection.rollback();
        step("gone with it", () -> run(connection, "SELECT * FROM jd_ddl"));
        connection.rollback();
    }

    private static void catalog(Connection connection) throws SQLException {
        step("tables", () -> names(connection.getMetaData().getTables(null, "public", "jd_items", new String[] {"TABLE"}), "TABLE_NAME", "TABLE_TYPE"));
        step("columns", () -> names(connection.getMetaData().getColumns(null, "public", "jd_items", null), "COLUMN_NAME", "TYPE_NAME", "NULLABLE"));
        step("primary key", () -> names(connection.getMetaData().getPrimaryKeys(null, "public", "jd_items"), "COLUMN_NAME"));
        step("schemas", () -> names(connection.getMetaData().getSchemas(null, "pub%"), "TABLE_SCHEM"));
        step("types", () -> names(connection.getMetaData().getTypeInfo(), "TYPE_NAME").contains(List.of("int4")));
    }

    private static List<List<String>> names(ResultSet set, String... columns) throws SQLException {
        List<List<String>> rows = new ArrayList<>();
        while (set.next()) {
            List<String> row = new ArrayList<>();
            for (String column : columns) {
                row.add(set.getString(column));
            }
            rows.add(row);
        }
        return rows;
    }

    public static void main(String[] arguments) {
        run("connect", Pgjdbc::connecting);
        run("tables", Pgjdbc::tables);
        run("batches", Pgjdbc::batches);
        run("errors", Pgjdbc::errors);
        run("savepoints", Pgjdbc::savepoints);
        run("returning", Pgjdbc::returning);
        run("arrays", Pgjdbc::arrays);
        run("keys", Pgjdbc::keys);
        run("cursors", Pgjdbc::cursors);
        run("types", Pgjdbc::types);
        run("prepared", Pgjdbc::prepared);
        run("copy", Pgjdbc::copying);
        run("columns", Pgjdbc::columns);
        run("ddl", Pgjdbc::ddl);
        run("catalog", Pgjdbc::catalog);
    }
}

// pgx (version 4, as Debian has it), with its pool: named statements in binary, batches as pipelines, COPY in binary.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
)

var ctx = context.Background()

// step runs an action and prints its outcome.
func step(feature, name string, action func() (interface{}, error)) {
	outcome, err := action()
	text := fmt.Sprintf("%v", outcome)
	if err != nil {
		text = textOf(err)
	}
	fmt.Printf("%s / %s: %s\n", feature, name, strings.ReplaceAll(text, "\n", "\\n"))
}

func textOf(err error) string {
	var failure *pgconn.PgError
	if errors.As(err, &failure) {
		return fmt.Sprintf("error %s: %s", failure.Code, failure.Message)
	}
	return "client error: " + err.Error()
}

// querier is what a connection, a pool and a transaction have in common.
type querier interface {
	Query(ctx context.Context, sql string, values ...interface{}) (pgx.Rows, error)
}

// run gives the rows where there are any, else the command tag.
func run(q querier, sql string, values ...interface{}) (interface{}, error) {
	rows, err := q.Query(ctx, sql, values...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all [][]interface{}
	for rows.Next() {
		row, err := rows.Values()
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	if rows.Err() != nil {
		return nil, rows.Err()
	}
	if len(rows.FieldDescriptions()) > 0 {
		return all, nil
	}
	return rows.CommandTag().String(), nil
}

// statements runs texts in turn, each a step.
func statements(feature string, q querier, texts ...string) {
	for i, text := range texts {
		text := text
		step(feature, fmt.Sprintf("%d %s", i, text), func() (interface{}, error) { return run(q, text) })
	}
}

func connecting(pool *pgxpool.Pool) {
	step("connect", "connects", func() (interface{}, error) { return run(pool, "SELECT $1::text", "one") })
	step("connect", "runtime parameters", func() (interface{}, error) {
		conn, err := pgx.Connect(ctx, "application_name=interop statement_timeout=7000")
		if err != nil {
			return nil, err
		}
		defer conn.Close(ctx)
		return run(conn, "SHOW statement_timeout")
	})
	step("connect", "simple protocol", func() (interface{}, error) {
		return run(pool, "SELECT $1::int + 1", pgx.QuerySimpleProtocol(true), 1)
	})
	step("pool", "eight over two", func() (interface{}, error) {
		results := make(chan error, 8)
		for i := 0; i < 8; i++ {
			go func(i int) { _, err := run(pool, "SELECT $1::int", i); results <- err }(i)
		}
		for i := 0; i < 8; i++ {
			if err := <-results; err != nil {
				return nil, err
			}
		}
		return "done", nil
	})
}

func tables(pool *pgxpool.Pool) {
	statements("tables", pool,
		"DROP TABLE IF EXISTS gx_items",
		"CREATE TABLE gx_items (id int PRIMARY KEY, name text NOT NULL, price numeric(10,2) DEFAULT 1.5)",
		"INSERT INTO gx_items VALUES (1, 'one')",
		"INSERT INTO gx_items VALUES (1, 'uno') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
		"SELECT id, name, price::text FROM gx_items",
		"DELETE FROM gx_items WHERE id = 5")
	step("tables", "parameters", func() (interface{}, error) {
		return run(pool, "INSERT INTO gx_items (id, name) VALUES ($1, $2)", 2, "it's")
	})
	step("tables", "nulls", func() (interface{}, error) {
		var name *string
		err := pool.QueryRow(ctx, "SELECT nullif(name, $1) FROM gx_items WHERE id = $2", "uno", 1).Scan(&name)
		return name == nil, err
	})
}

func batches(pool *pgxpool.Pool) {
	step("batches", "batch", func() (interface{}, error) {
		batch := &pgx.Batch{}
		for i := 100; i < 300; i++ {
			batch.Queue("INSERT INTO gx_items (id, name) VALUES ($1, $2)", i, fmt.Sprint("n", i))
		}
		batch.Queue("SELECT count(*) FROM gx_items WHERE id >= 100")
		results := pool.SendBatch(ctx, batch)
		defer results.Close()
		for i := 0; i < 200; i++ {
			if _, err := results.Exec(); err != nil {
				return nil, err
			}
		}
		var count int64
		err := results.QueryRow().Scan(&count)
		return count, err
	})
	step("batches", "batch with a duplicate", func() (interface{}, error) {
		batch := &pgx.Batch{}
		batch.Queue("INSERT INTO gx_items (id, name) VALUES (500, 'x')")
		batch.Queue("INSERT INTO gx_items (id, name) VALUES (500, 'y')")
		return "done", pool.SendBatch(ctx, batch).Close()
	})
	statements("batches", pool, "SELECT count(*) FROM gx_items WHERE id = 500")
}

func failures(pool *pgxpool.Pool) {
	statements("errors", pool,
		"INSERT INTO gx_items VALUES (1, 'again')",
		"INSERT INTO gx_items VALUES (3, NULL)",
		"SELEC 1",
		"SELECT * FROM gx_nothing",
		"SELECT 1 / 0")
	step("errors", "in a transaction", func() (interface{}, error) {
		tx, err := pool.Begin(ctx)
		if err != nil {
			return nil, err
		}
		defer tx.Rollback(ctx)
		_, first := run(tx, "SELEC 1")
		_, second := run(tx, "SELECT 1")
		return textOf(first) + ", " + textOf(second), nil
	})
}

func savepoints(pool *pgxpool.Pool) {
	step("savepoints", "nested", func() (interface{}, error) {
		tx, err := pool.Begin(ctx)
		if err != nil {
			return nil, err
		}
		defer tx.Rollback(ctx)
		if _, err := run(tx, "INSERT INTO gx_items VALUES (5000, 'kept')"); err != nil {
			return nil, err
		}
		inner, err := tx.Begin(ctx)
		if err != nil {
			return nil, err
		}
		_, failure := run(inner, "INSERT INTO gx_items VALUES (5000, 'again')")
		if err := inner.Rollback(ctx); err != nil {
			return nil, err
		}
		rows, err := run(tx, "SELECT name FROM gx_items WHERE id = 5000")
		return fmt.Sprint(textOf(failure), rows), err
	})
}

func returning(pool *pgxpool.Pool) {
	step("returning", "insert", func() (interface{}, error) {
		return run(pool, "INSERT INTO gx_items (id, name) VALUES ($1, $2) RETURNING id, name", 6000, "r")
	})
	statements("returning", pool, "UPDATE gx_items SET name = 'R' WHERE id = 6000 RETURNING name", "DELETE FROM gx_items WHERE id = 6000 RETURNING id")
}

func arrays(pool *pgxpool.Pool) {
	step("arrays", "= ANY", func() (interface{}, error) {
		return run(pool, "SELECT id FROM gx_items WHERE id = ANY($1) ORDER BY id", []int32{100, 102, 9999})
	})
	step("arrays", "unnest", func() (interface{}, error) {
		return run(pool, "INSERT INTO gx_items (id, name) SELECT * FROM unnest($1::int[], $2::text[])", []int32{700, 701}, []string{"a", "b"})
	})
}

func keys(pool *pgxpool.Pool) {
	statements("keys", pool,
		"DROP TABLE IF EXISTS gx_serial",
		"CREATE TABLE gx_serial (id bigserial PRIMARY KEY, v text)",
		"INSERT INTO gx_serial (v) VALUES ('a') RETURNING id > 0")
}

// types reads a value of each kind in binary, and sends it back.
func types(pool *pgxpool.Pool) error {
	data, err := os.ReadFile(os.Getenv("INTEROP_CLIENTS") + "/samples.txt")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(string(data), "\n") {
		parts := strings.SplitN(line, " | ", 2)
		if len(parts) < 2 || strings.HasPrefix(line, "#") {
			continue
		}
		literal := "'" + strings.ReplaceAll(parts[1], "'", "''") + "'::" + parts[0]
		step("types", parts[0]+" "+parts[1], func() (interface{}, error) {
			rows, err := pool.Query(ctx, "SELECT "+literal)
			if err != nil {
				return nil, err
			}
			defer rows.Close()
			if !rows.Next() {
				return nil, rows.Err()
			}
			values, err := rows.Values()
			if err != nil {
				return nil, err
			}
			rows.Close()
			same, err := run(pool, "SELECT ($1::"+parts[0]+")::text = ("+literal+")::text", values[0])
			return fmt.Sprintf("%T %v %v", values[0], values[0], same), err
		})
	}
	return nil
}

func copying(pool *pgxpool.Pool) {
	step("copy", "rows in, binary", func() (interface{}, error) {
		rows := [][]interface{}{{int32(800), "a"}, {int32(801), "b"}}
		return pool.CopyFrom(ctx, pgx.Identifier{"gx_items"}, []string{"id", "name"}, pgx.CopyFromRows(rows))
	})
	step("copy", "text in", func() (interface{}, error) {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Release()
		tag, err := conn.Conn().PgConn().CopyFrom(ctx, strings.NewReader("810\ta\n811\tb\n"), "COPY gx_items (id, name) FROM STDIN")
		return tag, err
	})
	step("copy", "text out", func() (interface{}, error) {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Release()
		var out bytes.Buffer
		_, err = conn.Conn().PgConn().CopyTo(ctx, &out, "COPY (SELECT id, name FROM gx_items WHERE id BETWEEN 810 AND 820 ORDER BY id) TO STDOUT")
		return out.String(), err
	})
}

func prepared(pool *pgxpool.Pool) {
	step("prepared", "named", func() (interface{}, error) {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Release()
		described, err := conn.Conn().Prepare(ctx, "look", "SELECT id, name FROM gx_items WHERE id = $1 AND name LIKE $2")
		if err != nil {
			return nil, err
		}
		rows, err := run(conn, "look", 1, "u%")
		return fmt.Sprint(described.ParamOIDs, rows), err
	})
}

func main() {
	pool, err := pgxpool.Connect(ctx, "pool_max_conns=2")
	if err != nil {
		fmt.Println("connect / given up: " + textOf(err))
		return
	}
	defer pool.Close()
	for _, feature := range []func(*pgxpool.Pool){connecting, tables, batches, failures, savepoints, returning, arrays, keys, copying, prepared} {
		feature(pool)
	}
	if err := types(pool); err != nil {
		fmt.Println("types / given up: " + err.Error())
	}
}

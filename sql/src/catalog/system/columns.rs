//! The list of system relations, with PostgreSQL 15's columns in their order.

use super::schema::{Form, Schema};

/// Writes the list once.
macro_rules! system_tables {
    ($($variant:ident = ($oid:literal, $schema:expr, $name:literal, $form:expr, $columns:literal),)*) => {
        /// A relation of the system catalogs or of the information schema.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum SystemTable {
            $(#[doc = $name] $variant,)*
        }

        impl SystemTable {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name, without its schema.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its schema.
            pub const fn schema(self) -> Schema {
                match self { $(Self::$variant => $schema,)* }
            }

            /// Its number: PostgreSQL's for tables, ours for views, whose numbers PostgreSQL gives out anew.
            pub const fn oid(self) -> u32 {
                match self { $(Self::$variant => $oid,)* }
            }

            /// What PostgreSQL says it is.
            pub const fn form(self) -> Form {
                match self { $(Self::$variant => $form,)* }
            }

            /// Names and types of its columns; `!` behind those that are never NULL.
            pub(super) const fn columns(self) -> &'static str {
                match self { $(Self::$variant => $columns,)* }
            }
        }
    };
}

system_tables! {
    PgAm = (2601, Schema::Catalog, "pg_am", Form::Table,
        "oid oid!, amname name!, amhandler regproc!, amtype char!"),
    PgAttrdef = (2604, Schema::Catalog, "pg_attrdef", Form::Table,
        "oid oid!, adrelid oid!, adnum int2!, adbin pg_node_tree!"),
    PgAttribute = (1249, Schema::Catalog, "pg_attribute", Form::Table,
        "attrelid oid!, attname name!, atttypid oid!, attstattarget int4!, attlen int2!, attnum int2!, \
         attndims int4!, attcacheoff int4!, atttypmod int4!, attbyval bool!, attalign char!, attstorage \
         char!, attcompression char!, attnotnull bool!, atthasdef bool!, atthasmissing bool!, attidentity \
         char!, attgenerated char!, attisdropped bool!, attislocal bool!, attinhcount int4!, attcollation \
         oid!, attacl aclitem[], attoptions text[], attfdwoptions text[], attmissingval anyarray"),
    PgClass = (1259, Schema::Catalog, "pg_class", Form::Table,
        "oid oid!, relname name!, relnamespace oid!, reltype oid!, reloftype oid!, relowner oid!, relam oid!, \
         relfilenode oid!, reltablespace oid!, relpages int4!, reltuples float4!, relallvisible int4!, \
         reltoastrelid oid!, relhasindex bool!, relisshared bool!, relpersistence char!, relkind char!, \
         relnatts int2!, relchecks int2!, relhasrules bool!, relhastriggers bool!, relhassubclass bool!, \
         relrowsecurity bool!, relforcerowsecurity bool!, relispopulated bool!, relreplident char!, \
         relispartition bool!, relrewrite oid!, relfrozenxid xid!, relminmxid xid!, relacl aclitem[], \
         reloptions text[], relpartbound pg_node_tree"),
    PgConstraint = (2606, Schema::Catalog, "pg_constraint", Form::Table,
        "oid oid!, conname name!, connamespace oid!, contype char!, condeferrable bool!, condeferred bool!, \
         convalidated bool!, conrelid oid!, contypid oid!, conindid oid!, conparentid oid!, confrelid oid!, \
         confupdtype char!, confdeltype char!, confmatchtype char!, conislocal bool!, coninhcount int4!, \
         connoinherit bool!, conkey int2[], confkey int2[], conpfeqop oid[], conppeqop oid[], conffeqop \
         oid[], confdelsetcols int2[], conexclop oid[], conbin pg_node_tree"),
    PgDatabase = (1262, Schema::Catalog, "pg_database", Form::Table,
        "oid oid!, datname name!, datdba oid!, encoding int4!, datlocprovider char!, datistemplate bool!, \
         datallowconn bool!, datconnlimit int4!, datfrozenxid xid!, datminmxid xid!, dattablespace oid!, \
         datcollate text!, datctype text!, daticulocale text, datcollversion text, datacl aclitem[]"),
    PgDescription = (2609, Schema::Catalog, "pg_description", Form::Table,
        "objoid oid!, classoid oid!, objsubid int4!, description text!"),
    PgEnum = (3501, Schema::Catalog, "pg_enum", Form::Table,
        "oid oid!, enumtypid oid!, enumsortorder float4!, enumlabel name!"),
    PgIndex = (2610, Schema::Catalog, "pg_index", Form::Table,
        "indexrelid oid!, indrelid oid!, indnatts int2!, indnkeyatts int2!, indisunique bool!, \
         indnullsnotdistinct bool!, indisprimary bool!, indisexclusion bool!, indimmediate bool!, \
         indisclustered bool!, indisvalid bool!, indcheckxmin bool!, indisready bool!, indislive bool!, \
         indisreplident bool!, indkey int2vector!, indcollation oidvector!, indclass oidvector!, indoption \
         int2vector!, indexprs pg_node_tree, indpred pg_node_tree"),
    PgNamespace = (2615, Schema::Catalog, "pg_namespace", Form::Table,
        "oid oid!, nspname name!, nspowner oid!, nspacl aclitem[]"),
    PgRange = (3541, Schema::Catalog, "pg_range", Form::Table,
        "rngtypid oid!, rngsubtype oid!, rngmultitypid oid!, rngcollation oid!, rngsubopc oid!, rngcanonical \
         regproc!, rngsubdiff regproc!"),
    PgRoles = (12001, Schema::Catalog, "pg_roles", Form::View,
        "rolname name, rolsuper bool, rolinherit bool, rolcreaterole bool, rolcreatedb bool, rolcanlogin \
         bool, rolreplication bool, rolconnlimit int4, rolpassword text, rolvaliduntil timestamptz, \
         rolbypassrls bool, rolconfig text[], oid oid"),
    PgSettings = (12002, Schema::Catalog, "pg_settings", Form::View,
        "name text, setting text, unit text, category text, short_desc text, extra_desc text, context text, \
         vartype text, source text, min_val text, max_val text, enumvals text[], boot_val text, reset_val \
         text, sourcefile text, sourceline int4, pending_restart bool"),
    PgTables = (12003, Schema::Catalog, "pg_tables", Form::View,
        "schemaname name, tablename name, tableowner name, tablespace name, hasindexes bool, hasrules bool, \
         hastriggers bool, rowsecurity bool"),
    PgType = (1247, Schema::Catalog, "pg_type", Form::Table,
        "oid oid!, typname name!, typnamespace oid!, typowner oid!, typlen int2!, typbyval bool!, typtype \
         char!, typcategory char!, typispreferred bool!, typisdefined bool!, typdelim char!, typrelid oid!, \
         typsubscript regproc!, typelem oid!, typarray oid!, typinput regproc!, typoutput regproc!, \
         typreceive regproc!, typsend regproc!, typmodin regproc!, typmodout regproc!, typanalyze regproc!, \
         typalign char!, typstorage char!, typnotnull bool!, typbasetype oid!, typtypmod int4!, typndims \
         int4!, typcollation oid!, typdefaultbin pg_node_tree, typdefault text, typacl aclitem[]"),
    PgUser = (12004, Schema::Catalog, "pg_user", Form::View,
        "usename name, usesysid oid, usecreatedb bool, usesuper bool, userepl bool, usebypassrls bool, passwd \
         text, valuntil timestamptz, useconfig text[]"),
    InformationSchemaColumns = (12005, Schema::Information, "columns", Form::View,
        "table_catalog name, table_schema name, table_name name, column_name name, ordinal_position int4, \
         column_default varchar, is_nullable yes_or_no, data_type varchar, character_maximum_length int4, \
         character_octet_length int4, numeric_precision int4, numeric_precision_radix int4, numeric_scale \
         int4, datetime_precision int4, interval_type varchar, interval_precision int4, character_set_catalog \
         name, character_set_schema name, character_set_name name, collation_catalog name, collation_schema \
         name, collation_name name, domain_catalog name, domain_schema name, domain_name name, udt_catalog \
         name, udt_schema name, udt_name name, scope_catalog name, scope_schema name, scope_name name, \
         maximum_cardinality int4, dtd_identifier name, is_self_referencing yes_or_no, is_identity yes_or_no, \
         identity_generation varchar, identity_start varchar, identity_increment varchar, identity_maximum \
         varchar, identity_minimum varchar, identity_cycle yes_or_no, is_generated varchar, \
         generation_expression varchar, is_updatable yes_or_no"),
    InformationSchemaSchemata = (12006, Schema::Information, "schemata", Form::View,
        "catalog_name name, schema_name name, schema_owner name, default_character_set_catalog name, \
         default_character_set_schema name, default_character_set_name name, sql_path varchar"),
    InformationSchemaTables = (12007, Schema::Information, "tables", Form::View,
        "table_catalog name, table_schema name, table_name name, table_type varchar, \
         self_referencing_column_name name, reference_generation varchar, user_defined_type_catalog name, \
         user_defined_type_schema name, user_defined_type_name name, is_insertable_into yes_or_no, is_typed \
         yes_or_no, commit_action varchar"),
}

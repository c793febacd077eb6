# engines.py ENGINE LAKE: answers the questions on standard input, a list of JSON objects:
#   table, where (column, from, to; or none), group (columns), sum (columns), amounts (of 256 bits, summed by their limbs)
# with a list of rows each, in order: the group, the count, the sums, all as text.
import json, sys

engine, lake = sys.argv[1:3]
LIMBS = ("e52", "e26", "e0")


def sums(q):
    return q["sum"] + [f"{a}_{limb}" for a in q["amounts"] for limb in LIMBS]


def sql(q, table):
    where = "" if not q["where"] else " WHERE {0} BETWEEN {1} AND {2}".format(*q["where"])
    group = "" if not q["group"] else " GROUP BY " + ", ".join(q["group"])
    columns = q["group"] + ["count(*)"] + [f"sum({c}) AS s{i}" for i, c in enumerate(sums(q))]
    return f"SELECT {', '.join(columns)} FROM {table}{where}{group}"


def by_duckdb():
    import duckdb
    return lambda q: duckdb.execute(sql(q, f"read_parquet('{lake}/{q['table']}/**/*.parquet', hive_partitioning = true)")).fetchall()


def by_polars():
    import polars
    return lambda q: polars.SQLContext({"t": polars.scan_parquet(f"{lake}/{q['table']}")}).execute(sql(q, "t")).collect().rows()


def by_pyarrow():
    import pyarrow.dataset as dataset

    def answer(q):
        keep = None
        if q["where"]:
            field = dataset.field(q["where"][0])
            keep = (field >= q["where"][1]) & (field <= q["where"][2])
        columns = sorted(set(q["group"] + sums(q)) or {"block_number"})
        table = dataset.dataset(f"{lake}/{q['table']}", partitioning="hive", format="parquet").to_table(columns=columns, filter=keep)
        found = table.group_by(q["group"]).aggregate([([], "count_all")] + [(c, "sum") for c in sums(q)])
        names = q["group"] + ["count_all"] + [c + "_sum" for c in sums(q)]
        return list(zip(*(found[n].to_pylist() for n in names)))

    return answer


def by_chdb():  # ClickHouse
    import chdb

    def answer(q):
        text = sql(q, f"file('{lake}/{q['table']}/*/*.parquet', Parquet)")
        lines = str(chdb.query(text, "TSV")).splitlines()
        return [[None if v == "\\N" else v for v in line.split("\t")] for line in lines]

    return answer


def by_datafusion():
    import datafusion
    context = datafusion.SessionContext()
    for table in ("blocks", "transactions", "logs", "transfers"):
        context.register_parquet(table, f"{lake}/{table}")
    return lambda q: [tuple(r.values()) for r in context.sql(sql(q, q["table"])).to_pylist()]


def row(q, values):
    fixed = len(q["group"]) + 1 + len(q["sum"])
    out = ["" if v is None else str(v) for v in values[:fixed]]
    for i in range(fixed, len(values), 3):
        e52, e26, e0 = (int(v) for v in values[i:i + 3])
        out.append(str(e52 * 10**52 + e26 * 10**26 + e0))
    return out


answer = {"duckdb": by_duckdb, "polars": by_polars, "pyarrow": by_pyarrow, "chdb": by_chdb, "datafusion": by_datafusion}[engine]()
print(json.dumps([sorted(row(q, r) for r in answer(q)) for q in json.load(sys.stdin)]))

-- name: schema
SELECT type, name, sql FROM sqlite_schema;

-- name: is_plain_index
SELECT EXISTS (SELECT 1 FROM sqlite_schema s JOIN pragma_index_list(s.tbl_name) l ON l.name = s.name
               WHERE s.type = 'index' AND s.name = :name AND l."unique" = 0 AND l.partial = 0)
   AND NOT EXISTS (SELECT 1 FROM pragma_index_xinfo(:name)
                   WHERE cid = -2 OR upper(coll) NOT IN ('BINARY', 'NOCASE', 'RTRIM'));

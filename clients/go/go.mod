module authnzerver.example/authnzerver

go 1.19

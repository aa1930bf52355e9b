// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-d0fa94fc8848.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "d0fa94fc88480da94a62611b52d07acfed97e7dfda5e01a98af2c10ba32eabe8",
        is_named_by_content: true,
        plain: include_bytes!("console-d0fa94fc8848.js"),
        brotli: include_bytes!("console-d0fa94fc8848.js.br"),
    },
    Asset {
        path: "console-31df610a8cad.css",
        media_type: "text/css; charset=utf-8",
        sha256: "31df610a8cad375c8f2879910aec9e1ec9c853945409e62aebe6f1fd6a61e746",
        is_named_by_content: true,
        plain: include_bytes!("console-31df610a8cad.css"),
        brotli: include_bytes!("console-31df610a8cad.css.br"),
    },
    Asset {
        path: "icon-784a4185d243.svg",
        media_type: "image/svg+xml",
        sha256: "784a4185d2436f82faab3c035c49a66a804c8baa0ac2c7259288ba24cc4bba5a",
        is_named_by_content: true,
        plain: include_bytes!("icon-784a4185d243.svg"),
        brotli: include_bytes!("icon-784a4185d243.svg.br"),
    },
    Asset {
        path: "licences-3484ec557e71.txt",
        media_type: "text/plain; charset=utf-8",
        sha256: "3484ec557e71cbf551f9809541abcb507a8075135a0550de419528fb49105c29",
        is_named_by_content: true,
        plain: include_bytes!("licences-3484ec557e71.txt"),
        brotli: include_bytes!("licences-3484ec557e71.txt.br"),
    },
    Asset {
        path: "index.html",
        media_type: "text/html; charset=utf-8",
        sha256: "09c784c540efe064df1e15e24b62f811108cc0446924dc33b8956128dd32acc6",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]

// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-7b7db27e2645.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "7b7db27e2645151c3b2953e8934b457e015474799a3228d74801cdaa5b6bd7cd",
        is_named_by_content: true,
        plain: include_bytes!("console-7b7db27e2645.js"),
        brotli: include_bytes!("console-7b7db27e2645.js.br"),
    },
    Asset {
        path: "console-0e1e58169c74.css",
        media_type: "text/css; charset=utf-8",
        sha256: "0e1e58169c7462ee59ced67b22b007b37a9d80f0c4532b8b179627ffe995a7d4",
        is_named_by_content: true,
        plain: include_bytes!("console-0e1e58169c74.css"),
        brotli: include_bytes!("console-0e1e58169c74.css.br"),
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
        sha256: "efd3e984bd67b5c488e1655a504ddedb4224305c176fb5b9314d263bf7d36948",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]

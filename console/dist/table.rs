// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-d6b68c6cd668.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "d6b68c6cd6687231fa9691c25cce7d43c3362edbbee6244644fc6fdcfa353ca2",
        is_named_by_content: true,
        plain: include_bytes!("console-d6b68c6cd668.js"),
        brotli: include_bytes!("console-d6b68c6cd668.js.br"),
    },
    Asset {
        path: "console-74ec51df9ed3.css",
        media_type: "text/css; charset=utf-8",
        sha256: "74ec51df9ed3c3c847c9bdef9122286cf9cb67b9e2e797eeb9257f3f94876102",
        is_named_by_content: true,
        plain: include_bytes!("console-74ec51df9ed3.css"),
        brotli: include_bytes!("console-74ec51df9ed3.css.br"),
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
        sha256: "b3db154bebdb8ed719fa354f9986d6a908db9239d7597ea93c7830c43210b799",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]

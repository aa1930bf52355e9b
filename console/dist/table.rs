// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-9f30b5d32b85.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "9f30b5d32b85610fd71a71a1a91f22463b52d2c6ae2eb66de39d7574bfbc7fda",
        is_named_by_content: true,
        plain: include_bytes!("console-9f30b5d32b85.js"),
        brotli: include_bytes!("console-9f30b5d32b85.js.br"),
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
        sha256: "f1a39bdb3e6e095ff854c6ec18f37ddf800a2cd3f21cec493cab42c427b3258b",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]

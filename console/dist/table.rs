// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-7568636bf581.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "7568636bf581fa0eb2ca769ce0574ed1e4644b26b38a16a224a68cc26d4b0550",
        is_named_by_content: true,
        plain: include_bytes!("console-7568636bf581.js"),
        brotli: include_bytes!("console-7568636bf581.js.br"),
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
        sha256: "c2ca32e996b97ee223953597d9826b7a0912dce1eb8bdea8074a4b1d41703cbb",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]

// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-eb3510ad5729.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "eb3510ad572959ce718b17560cf3d77a02d8198994e3425476b733d3d091194e",
        is_named_by_content: true,
        plain: include_bytes!("console-eb3510ad5729.js"),
        brotli: include_bytes!("console-eb3510ad5729.js.br"),
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
        sha256: "600cd9689189a2bcb26df3f37f2b05eb2642aacd85b2f9c2cea02b56a4197c76",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]

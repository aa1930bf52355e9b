// Made by console/build. The files of the console, for verifier-service/src/http/console.rs.
[
    Asset {
        path: "console-bd1a975b1764.js",
        media_type: "text/javascript; charset=utf-8",
        sha256: "bd1a975b176474c891758ed03af21ba10f7725509f81acca39796bf749223297",
        is_named_by_content: true,
        plain: include_bytes!("console-bd1a975b1764.js"),
        brotli: include_bytes!("console-bd1a975b1764.js.br"),
    },
    Asset {
        path: "console-ca040dd12041.css",
        media_type: "text/css; charset=utf-8",
        sha256: "ca040dd12041668f1133bbb98c609c5e963ef0c18a7064fb0e5e920adc9589e1",
        is_named_by_content: true,
        plain: include_bytes!("console-ca040dd12041.css"),
        brotli: include_bytes!("console-ca040dd12041.css.br"),
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
        sha256: "84b2884e4ad46dcb5064a9011af4c1fc1eb1ae2ed4877c238b35f9fbcaac9394",
        is_named_by_content: false,
        plain: include_bytes!("index.html"),
        brotli: include_bytes!("index.html.br"),
    },
]

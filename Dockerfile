# No build step: Node runs the TypeScript of src/ as it is. The image holds what the gateway runs on and nothing that only tests need.
FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Without install scripts: Node itself comes from the base image.
RUN npm ci --omit=dev --ignore-scripts && rm -rf node_modules/node

FROM node:24-bookworm-slim AS program
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY bin ./bin
COPY src ./src
COPY routes ./routes
COPY config/samples ./config/samples

# What Node would compile at every start is compiled once.
FROM program AS compiled
COPY scripts/compile-cache.ts /build/
RUN node /build/compile-cache.ts /app 65532

# What people run on their own machines, as one file that the gateway hands out.
FROM dependencies AS bundled
RUN npm ci --ignore-scripts && rm -rf node_modules/node
COPY src ./src
COPY scripts/bundle.ts /app/scripts/
RUN node scripts/bundle.ts

FROM program
COPY --from=bundled /app/dist ./dist
COPY --from=compiled /app/compile-cache ./compile-cache
# Nobody in particular; nothing of the image is writable for it.
USER 65532:65532
EXPOSE 8080 8443 8802 8804
# A replica has about one core: who answers would wait for threads that collect young objects with it, tens of milliseconds at a time. Young
# objects have room enough not to be taken for old ones, also where Node finds little memory, nor are they by the line that makes them.
ENTRYPOINT ["node", "--no-parallel-scavenge", "--no-allocation-site-pretenuring", "--max-semi-space-size=4", "/app/bin/gatehouse.js"]
CMD ["serve"]

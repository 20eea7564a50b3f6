FROM node:20.19.5-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build

FROM node:20.19.5-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force
COPY cli/bin.mjs cli/
COPY config/schema.json config/
COPY --from=build /app/dist dist
RUN mkdir /var/lib/afterwrite && chown node:node /var/lib/afterwrite
USER node
ENTRYPOINT ["node", "cli/bin.mjs"]

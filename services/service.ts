/**
 * One kind of server that the demo, the tests and the benchmarks use. A new one is a file with this interface and a
 * line in index.ts; how its process or container is run is none of its business.
 */
export interface Service {
  /** As it is called on the command line, in docker-compose.yml and in the names of folders. */
  readonly name: string;
  /** The release that is started: part of the image's tag, and of the data folder's name. */
  readonly version: string;
  /** The container image of that release, as docker-compose.yml has it. */
  readonly image: string;
  /** The port inside that container. */
  readonly containerPort: number;
  /** The port that a lasting server takes if it is free. */
  readonly usualPort: number;
  /** The environment variable that tells tests the address. */
  readonly variable: string;
  /** Ends the process in order, keeping its data. */
  readonly stopSignal: 'SIGTERM' | 'SIGINT';
  /** What clients are given: a URL or host:port. */
  address(port: number): string;
  /** Makes the programs available on this machine, if they are not yet. Throws SERVICE_NOT_INSTALLED with the way out. */
  install(): Promise<void>;
  /** Initialises an empty data folder, writes the configuration, and says how to start the server on it. */
  launch(place: Place): Promise<Launch>;
  /** Returns once the server on this port of 127.0.0.1 serves all it should; throws why it does not yet. */
  ready(port: number): Promise<void>;
}

/** Where one server of a kind lives. */
export interface Place {
  /** Absolute. Exists; keeps everything of that server. */
  readonly folder: string;
  readonly port: number;
  /** Further arguments of the server's own command line. */
  readonly args: readonly string[];
}

/** How to start one server as a process in the foreground. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  /** Runs it as this user instead; only root can. */
  readonly user?: string;
}

export interface StartOptions {
  /** Keeps the server's data. Without it, a temporary folder that goes with `dispose`. */
  readonly folder?: string;
  /** Without it, a free one. */
  readonly port?: number;
  /** Further arguments of the server's command line; redis, postgres and mariadb take them. */
  readonly args?: readonly string[];
  /** The server outlives this process. Without it, it ends with this process, however that ends. */
  readonly lasting?: boolean;
}

/** A server that was started, and may have been stopped or killed since. */
export interface RunningService {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  /** The server's process; undefined while it does not run, and in a container. */
  readonly pid: number | undefined;
  /** Starts it again on the same port and data. Returns when it is ready. */
  start(): Promise<void>;
  /** Ends it in order; its data stays. */
  stop(): Promise<void>;
  /** Ends it as a crash would (kill -9); its data stays. */
  kill(): Promise<void>;
  /** Ends it, and removes its data if they were temporary. */
  dispose(): Promise<void>;
}
